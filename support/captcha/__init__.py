"""What was added to the captcha post."""
