"""What a release says of trials, files and findings."""
