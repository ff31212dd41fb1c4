"""What may be published of confidential trials."""
