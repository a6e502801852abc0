"""Pure functions on arrays: no state, no models."""
