"""Streamlit pages over the API client: fleet, incidents, node."""
