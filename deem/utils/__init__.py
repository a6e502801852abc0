"""Constants, exceptions and logging shared by every other package."""
