"""The only door to the queue server: keys, records, scripts and the calls that use them."""
