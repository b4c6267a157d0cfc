"""The protoc plugin that makes gRPC's Python stubs, for buf.

grpcio-tools has that generator only inside its own protoc. This makes a plugin of it: a CodeGeneratorRequest comes on
stdin, a CodeGeneratorResponse goes to stdout.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)

with tempfile.TemporaryDirectory() as folder:
    schemas, out = Path(folder, "schemas.binpb"), Path(folder, "out")
    schemas.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    out.mkdir()
    if protoc.main(["protoc", f"--descriptor_set_in={schemas}", f"--grpc_python_out={out}", *request.file_to_generate]):
        sys.exit("protoc-gen-grpc_python: protoc has failed")
    for file in sorted(out.rglob("*.py")):
        response.file.add(name=file.relative_to(out).as_posix(), content=file.read_text(encoding="utf-8"))

sys.stdout.buffer.write(response.SerializeToString())
