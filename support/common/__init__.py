"""Shared by the captcha and the digit scripts."""
