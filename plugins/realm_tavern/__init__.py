"""The Tavern: the web page of the realm."""
