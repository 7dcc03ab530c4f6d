"""Tables: what is in them, and how they are printed."""
