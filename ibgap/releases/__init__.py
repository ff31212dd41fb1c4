"""What is published: made, read, set side by side and verified."""
