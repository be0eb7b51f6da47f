"""Health checks, the guardian of hung battles, classification of crashes, drills."""
