// Chunked bodies that do not end as they should. Also used by the fault runner.
&[
    "x\r\n\r\n",
    "-1\r\n\r\n",
    "+1\r\na\r\n0\r\n\r\n",
    "0x1\r\na\r\n0\r\n\r\n",
    "\r\n\r\n",
    "1 1\r\na\r\n0\r\n\r\n",
    "g\r\na\r\n0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "1\na\n0\n\n",
    "1\r\na0\r\n\r\n",
    "ffffffffffffffff1\r\na\r\n0\r\n\r\n",
    "10000000000000000\r\na\r\n0\r\n\r\n",
    "1;\n\r\na\r\n0\r\n\r\n",
]
