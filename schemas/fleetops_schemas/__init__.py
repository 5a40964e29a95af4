"""What the data means: the catalog, the records, the topics. Imports nothing of FleetOps."""
