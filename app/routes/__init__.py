"""The routes: each file answers for one noun."""
