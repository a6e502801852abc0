"""Models of binary visible units."""
