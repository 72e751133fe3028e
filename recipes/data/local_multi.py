"""The paper's five other languages from a short list of Debian and npm packages.

    multiturn data build local-multi

Sources: the upstream archives of the Debian source packages below, through this machine's apt
(a Debian or Ubuntu machine; root is not needed), and the npm packages below, through its npm.
Python is the matter of `local_python.py`. Debian's versions are those of the release that apt
is set up for; the plan of the build keeps what they were.
"""

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.file_filter import CODE_ENDINGS, FileFilter
from multiturn.data.sources.npm import NpmPackages

DEBIAN = (
    # C
    "zlib", "c-ares", "duktape", "jansson", "lua5.4", "mbedtls", "mesa", "tmux",
    # C++
    "abseil", "capnproto", "double-conversion", "flatbuffers", "fmtlib", "googletest", "grpc",
    "leveldb", "libjsoncpp", "nlohmann-json3", "re2", "snappy", "spdlog",
    # Go
    "etcd", "golang-1.19", "golang-golang-x-tools",
    # Java
    "ant", "antlr4", "bouncycastle", "commons-io", "guava-libraries",
)  # fmt: skip

NPM = (
    "@cesium/engine@26.3.0", "three@0.187.0", "ol@10.11.0", "lodash@4.18.1", "core-js@3.51.0",
    "express@5.3.0", "eslint@10.15.0", "webpack@5.112.2", "rollup@4.68.7", "mocha@12.0.3",
    "jquery@4.0.0", "moment@2.31.0", "d3@7.9.2", "mathjs@15.2.0", "ramda@0.32.0", "svelte@5.57.3",
    "fabric@7.4.0", "socket.io@4.8.4", "@babel/core@8.1.2", "@babel/parser@8.1.2",
    "sequelize@6.37.8", "mongoose@9.12.1", "knex@3.3.0", "bluebird@3.7.2", "async@3.2.6",
)  # fmt: skip

recipe = CorpusRecipe(
    name="local-multi",
    sources=(
        DebianSources(packages=DEBIAN, wanted=FileFilter(endings=CODE_ENDINGS)),
        NpmPackages(packages=NPM),
    ),
    steps=code_steps(("c", "cpp", "go", "java", "javascript")),
    stages=corpus_stages((own_problems_path(),), header=True),
)
