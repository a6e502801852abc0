"""Models of real-valued visible units."""
