"""The check of a data set: what it holds, which files are unreadable, and which images stand in it twice."""
