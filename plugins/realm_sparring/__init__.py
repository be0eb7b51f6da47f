"""Sparring: the hero's wrong answers become correction data."""
