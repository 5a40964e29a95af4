"""Streamlit pages over the API client."""
