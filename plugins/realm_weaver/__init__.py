"""The weaver: keeps the realm's services alive."""
