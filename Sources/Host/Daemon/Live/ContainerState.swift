import Records

/// The name of a container in what its engine has written down. The bytes are an engine's, and may be anything.
public enum ContainerState {
    /// Bytes of the longest name that is taken.
    static let longestName = 128

    /// Docker's `config.v2.json`: `"Name":"/web"`.
    public static func dockerName(_ bytes: [UInt8]) -> [UInt8]? {
        walk(bytes) { parser throws(JSONError) in
            var name: [UInt8]?
            try parser.beginObject()
            while let key = try parser.nextKey() {
                guard key == "Name" else {
                    try parser.skip()
                    continue
                }
                var text: [UInt8] = []
                try parser.string(into: &text)
                name = checked(text.first == UInt8(ascii: "/") ? text[1...] : text[...])
            }
            return name
        }
    }

    /// Podman's `containers.json`: a list of objects with `id` and `names`.
    public static func podmanName(_ bytes: [UInt8], id: [UInt8]) -> [UInt8]? {
        walk(bytes) { parser throws(JSONError) in
            try parser.beginArray()
            while try parser.nextElement() {
                var (isMeant, name): (Bool, [UInt8]?) = (false, nil)
                try parser.beginObject()
                while let key = try parser.nextKey() {
                    switch key {
                    case "id":
                        var text: [UInt8] = []
                        try parser.string(into: &text)
                        isMeant = text == id
                    case "names":
                        try parser.beginArray()
                        while try parser.nextElement() {
                            var text: [UInt8] = []
                            try parser.string(into: &text)
                            name = name ?? checked(text[...])
                        }
                    default: try parser.skip()
                    }
                }
                if isMeant { return name }
            }
            return nil
        }
    }

    /// The OCI bundle's `config.json` that containerd keeps while a container runs: what nerdctl or Kubernetes has named
    /// it in the annotations; of Kubernetes the pod's name and the container's, with an underscore between them.
    public static func bundleName(_ bytes: [UInt8]) -> [UInt8]? {
        walk(bytes) { parser throws(JSONError) in
            var known: [String: [UInt8]] = [:]
            try parser.beginObject()
            while let key = try parser.nextKey() {
                guard key == "annotations" else {
                    try parser.skip()
                    continue
                }
                try parser.beginObject()
                while let key = try parser.nextKey() {
                    guard names.contains(key), try parser.kind() == .string else {
                        try parser.skip()
                        continue
                    }
                    var text: [UInt8] = []
                    try parser.string(into: &text)
                    known[key] = checked(text[...])
                }
            }
            if let name = known["nerdctl/name"] { return name }
            guard let pod = known["io.kubernetes.cri.sandbox-name"] else { return nil }
            return known["io.kubernetes.cri.container-name"].map { pod + Array("_".utf8) + $0 } ?? pod
        }
    }

    private static let names: Set<String> = [
        "nerdctl/name", "io.kubernetes.cri.sandbox-name", "io.kubernetes.cri.container-name",
    ]

    private static func walk(
        _ bytes: [UInt8], _ body: (inout JSONParser) throws(JSONError) -> [UInt8]?
    ) -> [UInt8]? {
        var found: [UInt8]?
        bytes.withUnsafeBytes { bytes in
            var parser = JSONParser(bytes)
            found = (try? body(&parser)) ?? nil
        }
        return found
    }

    /// A name as the engines allow it: nothing in it means anything in a path or a pattern.
    private static func checked(_ name: ArraySlice<UInt8>) -> [UInt8]? {
        guard !name.isEmpty, name.count <= longestName, let first = name.first, isAlphanumeric(first),
            name.allSatisfy({
                isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
                    || $0 == UInt8(ascii: "-")
            })
        else { return nil }
        return Array(name)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool { byte &- 48 < 10 || (byte | 0x20) &- 97 < 26 }
}
