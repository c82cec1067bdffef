"""A run, told: live in the terminal while it happens, and afterwards as text, JSON, JUnit XML and one HTML file.

Nothing here judges: findings come in, words and pictures go out.
"""
