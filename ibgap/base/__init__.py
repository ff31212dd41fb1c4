"""What everybody may use: labels and printable text. Standard library only."""
