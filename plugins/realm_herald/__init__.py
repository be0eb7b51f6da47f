"""Notifications: events to webhooks and chat services, by rules, never in the way of a battle."""
