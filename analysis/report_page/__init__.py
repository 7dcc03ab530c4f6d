"""The report's page: what it is made from, and how it is written."""
