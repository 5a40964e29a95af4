"""The pages. Not named ``pages``: a folder of that name Streamlit would run file by file."""
