import Glibc
import MovePlan
import Records
import SystemCalls
import Text

/// An image of what a plan has, as a folder: the layout of the OCI image format specification, 1.0.
///
/// One layer, compressed by gzip(1), and a configuration that starts the program as it ran. All times are at most that of the
/// plan, so that the same files make the same image; of another version of gzip its layer's blob may be another one, with
/// the same content.
struct ImageLayout {
    private let host: HostPlan
    private let command: PlannedCommand
    private let made: UInt64
    private let root: String

    /// - Parameters:
    ///   - made: when the plan was, nanoseconds since 1970.
    ///   - root: where the host's files lie.
    init(_ host: HostPlan, _ command: PlannedCommand, made: UInt64, root: String) {
        (self.host, self.command, self.made, self.root) = (host, command, made, root)
    }

    /// Makes it in a folder that is empty or not there.
    ///
    /// - Throws: `Failure`, `HeldSignals.Interrupted`; then nothing of it is left.
    func make(at place: String) throws {
        guard geteuid() == 0 else { throw Failure("an image is made as root: files of all owners are read") }
        // Before anything is copied: whether it can be said at all.
        _ = try configuration(layer: "")
        let signals = HeldSignals()
        let wasThere = access(place, F_OK) == 0
        let layout = try TrialFolder(named: place, signals: signals)
        do {
            try fill(layout.path, signals)
        } catch {
            for name in ["blobs", "oci-layout", "index.json"] { layout.remove("\(place)/\(name)") }
            if !wasThere { rmdir(place) }
            throw error
        }
    }

    private func fill(_ place: String, _ signals: HeldSignals) throws {
        let folder = try TrialFolder(named: nil, signals: signals)
        let filled = TrialRoot(of: root, in: folder)
        let contents = TrialContents(host, root: root)
        try filled.fill(contents)
        for path in ["\(place)", "\(place)/blobs", "\(place)/blobs/sha256"] {
            mkdir(path, 0o755)
            chmod(path, 0o755)
        }
        let blobs = Blobs(place: place + "/blobs/sha256", folder: folder)
        let layer = try blobs.add(isCompressed: true) { part in
            try PlanArchive(in: folder).write(
                TrialContents.listing(of: filled.place), of: filled.place, to: part,
                latest: made / 1_000_000_000)
        }
        let image = try blobs.add(configuration(layer: layer.content))
        func descriptor(_ type: String, _ blob: Blobs.Blob, _ more: [JSONValue.Member] = []) -> JSONValue {
            .object(
                [
                    .init("mediaType", .string("application/vnd.oci.image.\(type)")),
                    .init("digest", .string(blob.digest)), .init("size", .integer(Int128(blob.size))),
                ] + more)
        }
        let manifest = try blobs.add(
            .object([
                .init("schemaVersion", .integer(2)),
                .init("mediaType", .string("application/vnd.oci.image.manifest.v1+json")),
                .init("config", descriptor("config.v1+json", image)),
                .init("layers", .array([descriptor("layer.v1.tar+gzip", layer)])),
            ]))
        let name = JSONValue.Member(
            "annotations", .object([.init("org.opencontainers.image.ref.name", .string("latest"))]))
        try Self.write(
            .object([
                .init("schemaVersion", .integer(2)),
                .init("manifests", .array([descriptor("manifest.v1+json", manifest, [name])])),
            ]), to: place + "/index.json")
        // Last: what has none is no layout.
        try Self.write(
            .object([.init("imageLayoutVersion", .string("1.0.0"))]), to: place + "/oci-layout")
    }

    /// `application/vnd.oci.image.config.v1+json`.
    private func configuration(layer digest: String) throws(Failure) -> JSONValue {
        var config: [JSONValue.Member] = []
        if let process = command.process {
            config.append(.init("User", .string("\(process.user):\(process.group)")))
        }
        let ports = Set(host.ports.compactMap(Self.exposed)).sorted()
        if !ports.isEmpty {
            config.append(.init("ExposedPorts", .object(ports.map { .init($0, .object([])) })))
        }
        config.append(.init("Env", .array(try command.environment.map(Self.text))))
        config.append(.init("Entrypoint", .array(try command.arguments.map(Self.text))))
        config.append(.init("WorkingDir", try Self.text(command.folder)))
        let created = JSONValue.string(Timestamp.text(made))
        return .object([
            .init("created", created), .init("architecture", .string(Self.architecture)),
            .init("os", .string("linux")), .init("config", .object(config)),
            .init(
                "rootfs",
                .object([.init("type", .string("layers")), .init("diff_ids", .array([.string(digest)]))])),
            .init(
                "history",
                .array([
                    .object([.init("created", created), .init("created_by", .string("retinue plan export"))])
                ])),
        ])
    }

    /// `80/tcp` of `tcp:0.0.0.0:80`.
    static func exposed(_ port: PlannedPort) -> String? {
        guard let colon = port.address.firstIndex(of: ":"),
            let number = UInt16(port.address[port.address.lastIndex(of: ":")!...].dropFirst())
        else { return nil }
        let transport = port.address[..<colon]
        return ["tcp", "udp"].contains(transport) ? "\(number)/\(transport)" : nil
    }

    private static func text(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(
                "an image cannot have \(Printable.text(bytes)), which is no UTF-8: say by --start what starts it",
                status: ExitStatus.badInput)
        }
        return .string(text)
    }

    /// By the names of the Go language, which the format uses.
    private static let architecture: String = {
        var names = utsname()
        uname(&names)
        let machine = withUnsafeBytes(of: &names.machine) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return ["x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"][machine] ?? machine
    }()

    fileprivate static func write(_ value: JSONValue, to path: String) throws {
        var out = JSONWriter()
        out.value(value)
        out.endDocument()
        let bytes = out.bytes
        try OutputFile.write(to: path) { try $0.write(bytes) }
        chmod(path, 0o644)
    }
}

/// Files of a layout, each called by what is in it.
private struct Blobs {
    struct Blob {
        var digest: String
        var size: UInt64
        /// The digest of what was compressed; else the same.
        var content: String
    }

    let place: String
    let folder: TrialFolder

    func add(_ value: JSONValue) throws -> Blob { try add { try ImageLayout.write(value, to: $0) } }

    /// A shell's words: the digests of the file `$1`, and of what gzip makes of it and puts in its place. The fastest way of
    /// gzip's: the others take two to three times as long to save a tenth. Without name and time, `-n`, the same each time.
    private static let compress = """
        sha256sum < "$1" && gzip -n -1 < "$1" > "$1.gz" && mv -- "$1.gz" "$1" && sha256sum < "$1"
        """

    /// Takes in what is written to a file.
    func add(isCompressed: Bool = false, _ write: (String) throws -> Void) throws -> Blob {
        let part = place + "/part"
        try write(part)
        let said = folder.path + "/digest"
        unlink(said)
        let status = try ChildProcess.run(
            TrialRoot.tied + ["sh", "-c", isCompressed ? Self.compress : "sha256sum < \"$1\"", "sh", part],
            output: said, signals: folder.signals)
        let digests = InputFile.contents(of: said).split(separator: UInt8(ascii: "\n")).map { line in
            String(decoding: line.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
        }
        chmod(part, 0o644)
        var found = stat()
        guard status == 0, let content = digests.first, let digest = digests.last,
            digests.allSatisfy({ $0.utf8.count == 64 }), stat(part, &found) == 0,
            rename(part, "\(place)/\(digest)") == 0
        else {
            throw Failure("\(place.printable): a blob could not be written\(TrialFolder.lastWords(in: said))")
        }
        return Blob(
            digest: "sha256:" + digest, size: UInt64(found.st_size), content: "sha256:" + content)
    }
}
