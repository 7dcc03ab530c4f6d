"""What was learned: records to data frames, statistics, tables, figures and the report."""
