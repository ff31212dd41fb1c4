"""Rooms that every part of the project may use."""
