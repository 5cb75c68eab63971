import Records
import Text
import Transfer

/// What a context file says of itself before its images, so that nothing is started of one that is cut, changed or of another kind.
///
/// A line that the kernel executes (`#!`, execve(2)); 48 bytes: a mark of 8, version and machine of 2 each (`e_machine` of elf(5)), the
/// length of the JSON of 4, and the SHA-256 of all else up to the images, numbers with their highest byte first; JSON; and the images
/// one after the other, up to the end of the file, each with its length and its SHA-256 in the JSON.
struct ContextHeader: Equatable {
    /// One of criu's files.
    struct Image: Equatable {
        var name: String
        var bytes: UInt64
        var digest: [UInt8]
    }

    /// A file that the program has open or mapped, and that therefore has to be where it is restored.
    struct File: Equatable {
        var path: [UInt8]
        /// Bytes of a regular file; criu(8) takes no other size.
        var size: UInt64?
    }

    /// What is done with a descriptor of a pipe or terminal to outside of the tree, of those that are 0, 1 or 2.
    struct Attachment: Equatable {
        var descriptor: Int32
        /// As criu(8) calls it: `pipe:[123]`.
        var key: String
    }

    var executable: [UInt8]
    var arguments: [[UInt8]]
    /// Milliseconds since 1970.
    var made: UInt64
    var host: String
    /// The root of the tree first, by the numbers that the processes themselves see.
    var pids: [Int32]
    /// Whether its session is led by a process outside of the tree.
    var isOfForeignSession = false
    /// Whether TCP connections are closed at the restore.
    var closesConnections = false
    var attachments: [Attachment] = []
    var files: [File] = []
    var images: [Image] = []

    static let version: UInt16 = 1
    static let mark: [UInt8] = [0x89] + Array("RTNCTX".utf8) + [0x0a]
    /// Bytes between the first line and the JSON.
    static let prefixSize = 48
    /// Bytes of the first line at most, which the kernel cuts otherwise (`BINPRM_BUF_SIZE`, Linux 5.1).
    static let mostStub = 255
    private static let mostJSON = 16 << 20
    private static let mostImages = 1 << 20

    #if arch(x86_64)
        static let machine: UInt16 = 62
    #else
        static let machine: UInt16 = 183
    #endif

    /// Looks for the program by PATH.
    static let stub = "#!/usr/bin/env -S retinue move restore\n"

    // MARK: Writing

    /// All bytes up to the images.
    ///
    /// - Parameter stub: the first line, with its end.
    func bytes(stub: String = Self.stub, version: UInt16 = Self.version, machine: UInt16 = Self.machine)
        -> [UInt8]
    {
        let first = Array(stub.utf8)
        let json = AgentLink.bytes(value)
        let known = Self.mark + Self.big(version) + Self.big(machine) + Self.big(UInt32(json.count))
        return first + known + StreamDigest.of(first, known, json) + json
    }

    private static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    var value: JSONValue {
        .object([
            .init("executable", Self.value(executable)),
            .init("arguments", .array(arguments.map(Self.value))),
            .init("made_ms", .integer(Int128(made))), .init("host", .string(host)),
            .init("pids", .array(pids.map { .integer(Int128($0)) })),
            .init("foreign_session", .boolean(isOfForeignSession)),
            .init("closes_connections", .boolean(closesConnections)),
            .init(
                "attachments",
                .array(
                    attachments.map {
                        .object([
                            .init("descriptor", .integer(Int128($0.descriptor))),
                            .init("key", .string($0.key)),
                        ])
                    })),
            .init(
                "files",
                .array(
                    files.map {
                        .object([
                            .init("path", Self.value($0.path)),
                            .init("size", $0.size.map { .integer(Int128($0)) } ?? .null),
                        ])
                    })),
            .init(
                "images",
                .array(
                    images.map {
                        .object([
                            .init("name", .string($0.name)), .init("bytes", .integer(Int128($0.bytes))),
                            .init("sha256", .string(Hexadecimal.text($0.digest))),
                        ])
                    })),
        ])
    }

    /// Text; bytes that are none as hexadecimal digits in an object.
    private static func value(_ bytes: [UInt8]) -> JSONValue {
        if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
        return .object([.init("hexadecimal", .string(Hexadecimal.text(bytes)))])
    }

    // MARK: Reading

    /// Where an image lies in the file.
    struct Place: Equatable {
        var image: Image
        var offset: UInt64
    }

    /// Reads a file's header.
    ///
    /// - Parameters:
    ///   - size: bytes of the whole file.
    ///   - read: reads so many bytes at an offset; fewer at the end.
    /// - Returns: what it says, and where each image lies.
    static func read(
        size: UInt64, machine: UInt16 = Self.machine, _ read: (UInt64, Int) throws(MoveError) -> [UInt8]
    ) throws(MoveError) -> (header: ContextHeader, places: [Place]) {
        let start = try read(0, mostStub + prefixSize)
        guard start.starts(with: "#!".utf8),
            let end = start.prefix(mostStub).firstIndex(of: UInt8(ascii: "\n"))
        else {
            throw MoveError(
                start.count < 2 + prefixSize ? "it is cut, or no context file" : "it is no context file")
        }
        let rest = start[(end + 1)...]
        guard rest.prefix(mark.count).elementsEqual(mark.prefix(rest.count)) else {
            throw MoveError("it is no context file")
        }
        guard rest.count >= prefixSize else { throw MoveError("it is cut: \(size) bytes are there") }
        let prefix = Array(rest.prefix(prefixSize))
        func number(_ from: Int, _ count: Int) -> UInt32 {
            prefix[from..<(from + count)].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let version = number(8, 2)
        guard version == Self.version else {
            throw MoveError(
                "its format has the version \(version), and this retinue reads \(Self.version): save it anew, or take the retinue that saved it"
            )
        }
        guard number(10, 2) == machine else {
            throw MoveError(
                "it was saved on \(machineName(UInt16(number(10, 2)))), and this is \(machineName(machine))")
        }
        let length = Int(number(12, 4))
        let before = UInt64(end + 1 + prefixSize)
        guard length <= mostJSON else {
            throw MoveError("its header was changed: \(length) bytes are too many")
        }
        let json = try read(before, length)
        guard json.count == length else { throw MoveError("it is cut: \(size) bytes are there") }
        guard
            StreamDigest.of(Array(start[...end]), Array(prefix[..<16]), json).elementsEqual(prefix[16...])
        else { throw MoveError("its header was changed: its checksum is another one") }
        guard let value = try? JSONValue(parsing: json), let header = ContextHeader(value) else {
            throw MoveError("its header is none that retinue writes")
        }
        var places: [Place] = []
        var offset = before + UInt64(length)
        for image in header.images {
            places.append(Place(image: image, offset: offset))
            let (next, isTooMuch) = offset.addingReportingOverflow(image.bytes)
            guard !isTooMuch else { throw MoveError("its header is none that retinue writes") }
            offset = next
        }
        guard size >= offset else { throw MoveError("it is cut: of \(offset) bytes \(size) are there") }
        guard size == offset else {
            throw MoveError("it was changed: it has \(size - offset) bytes too many")
        }
        return (header, places)
    }

    private static func machineName(_ number: UInt16) -> String {
        switch number {
        case 62: "x86-64"
        case 183: "aarch64"
        default: "a machine of the number \(number)"
        }
    }

    /// Of JSON; `nil` for what no retinue has written.
    init?(_ value: JSONValue) {
        func size(_ value: JSONValue?) -> UInt64? { value?.integer.flatMap { UInt64(exactly: $0) } }
        func number(_ value: JSONValue?) -> Int32? { value?.integer.flatMap { Int32(exactly: $0) } }
        func all<Element>(_ key: String, _ read: (JSONValue) -> Element?) -> [Element]? {
            guard let values = value[key]?.array else { return nil }
            let found = values.compactMap(read)
            return found.count == values.count ? found : nil
        }
        guard let executable = value["executable"].flatMap(Self.bytes),
            let arguments = all("arguments", Self.bytes), let made = size(value["made_ms"]),
            let host = value["host"]?.string,
            let pids = all("pids", { number($0) }), !pids.isEmpty, pids.allSatisfy({ $0 > 1 }),
            case .boolean(let isOfForeignSession)? = value["foreign_session"],
            case .boolean(let closesConnections)? = value["closes_connections"],
            let attachments = all(
                "attachments",
                { value -> Attachment? in
                    guard let descriptor = number(value["descriptor"]), (0...2).contains(descriptor),
                        let key = value["key"]?.string, Self.isKey(key)
                    else { return nil }
                    return Attachment(descriptor: descriptor, key: key)
                }),
            let files = all(
                "files",
                { value -> File? in
                    guard let path = value["path"].flatMap(Self.bytes), path.first == UInt8(ascii: "/"),
                        !path.contains(0)
                    else { return nil }
                    if value["size"] == .null { return File(path: path, size: nil) }
                    guard let size = size(value["size"]) else { return nil }
                    return File(path: path, size: size)
                }),
            let images = all(
                "images",
                { value -> Image? in
                    guard let name = value["name"]?.string, Self.isName(name),
                        let bytes = size(value["bytes"]),
                        let digest = value["sha256"]?.string.flatMap({ Hexadecimal.bytes($0) }),
                        digest.count == StreamDigest.size
                    else { return nil }
                    return Image(name: name, bytes: bytes, digest: digest)
                }), images.count <= Self.mostImages, Set(images.map(\.name)).count == images.count
        else { return nil }
        (self.executable, self.arguments, self.made, self.host) = (executable, arguments, made, host)
        (self.pids, self.isOfForeignSession) = (pids, isOfForeignSession)
        (self.closesConnections, self.attachments) = (closesConnections, attachments)
        (self.files, self.images) = (files, images)
    }

    init(executable: [UInt8], arguments: [[UInt8]], made: UInt64, host: String, pids: [Int32]) {
        (self.executable, self.arguments, self.made, self.host) = (executable, arguments, made, host)
        self.pids = pids
    }

    private static func bytes(_ value: JSONValue) -> [UInt8]? {
        value.string.map { Array($0.utf8) } ?? value["hexadecimal"]?.string.flatMap({ Hexadecimal.bytes($0) })
    }

    /// Whether it is the name of one of criu's images: no path, and nothing that criu is not given.
    static func isName(_ name: String) -> Bool {
        name.hasSuffix(".img") && name.utf8.count <= 100
            && name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte | 32) || "_-.".utf8.contains(byte)
            }
    }

    /// `pipe:[123]`, and nothing that could be another option's text.
    static func isKey(_ key: String) -> Bool {
        guard key.hasPrefix("pipe:["), key.hasSuffix("]") else { return false }
        let number = key.dropFirst(6).dropLast()
        return !number.isEmpty && number.utf8.count <= 20 && number.utf8.allSatisfy { (48...57).contains($0) }
    }
}
