"""The model of an emulated fleet: state in flat arrays, moved on tick by tick."""
