import Glibc
import Records
import SystemCalls
import TestSupport
import Testing
import Transfer

@testable import MoveAgent

@Suite("Contexts as files")
struct ContextTests {
    private static let contents = [Array("inventory".utf8), [], [UInt8](repeating: 7, count: 300)]

    private static func header() -> ContextHeader {
        var header = ContextHeader(
            executable: Array("/usr/bin/a".utf8), arguments: [Array("a".utf8), [0xff, 0x20]],
            made: 1_764_000_000_123,
            host: "alpha", pids: [4711, 4712])
        header.isOfForeignSession = true
        header.attachments = [.init(descriptor: 1, key: "pipe:[22787046]")]
        header.files = [
            .init(path: Array("/usr/bin/a".utf8), size: 12), .init(path: Array("/srv".utf8), size: nil),
            .init(path: [0x2f, 0xff], size: 0),
        ]
        header.images = zip(["inventory.img", "empty.img", "pages-1.img"], contents).map {
            .init(name: $0, bytes: UInt64($1.count), digest: StreamDigest.of($1))
        }
        return header
    }

    private static func file() -> [UInt8] { header().bytes() + contents.joined() }

    private static func read(_ bytes: [UInt8]) throws(MoveError) -> (
        header: ContextHeader, places: [ContextHeader.Place]
    ) {
        try ContextHeader.read(size: UInt64(bytes.count)) { offset, count in
            let begin = Int(clamping: offset)
            return begin >= bytes.count ? [] : Array(bytes[begin..<min(bytes.count, begin + count)])
        }
    }

    @Test func aFileSaysWhatWasSaved() throws {
        let bytes = Self.file()
        let (header, places) = try Self.read(bytes)
        #expect(header == Self.header())
        for (place, content) in zip(places, Self.contents) {
            #expect(Array(bytes[Int(place.offset)..<(Int(place.offset) + content.count)]) == content)
        }
        #expect(bytes.starts(with: "#!/usr/bin/env -S retinue move restore\n".utf8))
        #expect(ContextHeader.stub.utf8.count <= ContextHeader.mostStub)
    }

    @Test func aFileThatIsCutAnywhereIsNotRead() {
        let bytes = Self.file()
        for count in bytes.indices {
            #expect(throws: MoveError.self, "\(count) bytes") { try Self.read(Array(bytes[..<count])) }
        }
        #expect(throws: MoveError("it was changed: it has 1 bytes too many")) { try Self.read(bytes + [0]) }
    }

    /// Of each byte each bit: what stands before the images is refused as it is read, the images as they are laid out.
    @Test func aFileOfWhichABitIsAnotherOneIsNotRestored() throws {
        let bytes = Self.file()
        let images = Self.header().bytes().count
        for place in 0..<images {
            for bit in 0..<8 {
                var changed = bytes
                changed[place] ^= 1 << bit
                #expect(throws: MoveError.self, "bit \(bit) of byte \(place)") { try Self.read(changed) }
            }
        }
        let places = try Self.read(bytes).places
        try withTemporaryFolder { folder in
            func extract(_ bytes: [UInt8], _ name: String) throws {
                mkdir("\(folder)/\(name)", 0o700)
                let source = try FileDescriptor.open(
                    "\(folder)/file", O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
                try source.writeAll(bytes)
                try ContextImages.extract(places, from: source, to: "\(folder)/\(name)")
            }
            try extract(bytes, "whole")
            for (place, content) in zip(places, Self.contents) {
                let path = "\(folder)/whole/\(place.image.name)"
                #expect(try FileDescriptor.open(path, O_RDONLY).readAll() == content)
            }
            for place in images..<bytes.count {
                var changed = bytes
                changed[place] ^= 1 << (place % 8)
                #expect(throws: MoveError.self, "byte \(place)") { try extract(changed, "changed-\(place)") }
            }
        }
    }

    @Test func anotherVersionOrMachineIsNamed() {
        let header = Self.header()
        func reason(_ bytes: [UInt8]) -> String {
            do throws(MoveError) { _ = try Self.read(bytes + Self.contents.joined()) } catch {
                return error.description
            }
            return ""
        }
        #expect(reason(header.bytes(version: 2)).contains("the version 2, and this retinue reads 1"))
        let other: UInt16 = ContextHeader.machine == 62 ? 183 : 62
        #expect(
            reason(header.bytes(machine: other)).contains(
                "it was saved on \(other == 62 ? "x86-64" : "aarch64")"))
        #expect(
            reason(Array("#!/bin/sh\necho a program of another kind, long enough for a header\n".utf8))
                .contains("no context file"))
        #expect(
            reason(header.bytes(stub: "#!\(String(repeating: "a", count: 300))\n")).contains(
                "no context file"))
    }

    /// Whoever can write a file can write its checksum as well: what is in it is not trusted for that.
    @Test func aHostileHeaderIsRefused() throws {
        func read(_ change: (inout [JSONValue.Member]) -> Void) throws {
            guard case .object(var members) = Self.header().value else { return }
            change(&members)
            // The writer knows no number below 0 and above 64 bits: such a one is written as a text with `#`.
            let text = String(decoding: AgentLink.bytes(.object(members)), as: UTF8.self)
            let json = Array(text.replacing(/"#(-?[0-9]+)"/) { "\($0.1)" }.utf8)
            let first = Array(ContextHeader.stub.utf8)
            let size = withUnsafeBytes(of: UInt32(json.count).bigEndian) { Array($0) }
            let known = ContextHeader.mark + [0, 1, 0, UInt8(ContextHeader.machine)] + size
            _ = try Self.read(
                first + known + StreamDigest.of(first, known, json) + json + Self.contents.joined())
        }
        try read { _ in }
        func image(_ name: String, _ bytes: Int128, _ digest: String = String(repeating: "0", count: 64))
            -> JSONValue
        {
            .object([
                .init("name", .string(name)), .init("bytes", .string("#\(bytes)")),
                .init("sha256", .string(digest)),
            ])
        }
        let hostile: [(String, JSONValue)] = [
            ("images", .array([image("../../etc/passwd.img", 309)])),
            ("images", .array([image("/a.img", 309)])),
            ("images", .array([image("a", 309)])), ("images", .array([image("header.json", 309)])),
            ("images", .array([image("a.img", 200), image("a.img", 109)])),
            ("images", .array([image("a.img", -1)])), ("images", .array([image("a.img", 1 << 64)])),
            ("images", .array([image("a.img", (1 << 64) - 1), image("b.img", 310)])),
            ("images", .array([image("a.img", 309, "00")])), ("images", .array([image("a\n.img", 309)])),
            ("images", .null), ("pids", .array([])), ("pids", .array([.integer(1)])),
            ("pids", .array([.string("#-7")])),
            ("pids", .array([.string("#1099511627776")])),
            ("files", .array([.object([.init("path", .string("a")), .init("size", .null)])])),
            ("files", .array([.object([.init("path", .string("/a\0b")), .init("size", .null)])])),
            ("files", .array([.object([.init("path", .string("/a")), .init("size", .string("#-1"))])])),
            (
                "attachments",
                .array([.object([.init("descriptor", .integer(1)), .init("key", .string("pipe:[1] --x"))])])
            ),
            (
                "attachments",
                .array([.object([.init("descriptor", .integer(7)), .init("key", .string("pipe:[1]"))])])
            ),
            ("foreign_session", .null), ("closes_connections", .string("no")), ("executable", .null),
            ("made_ms", .string("#-1")),
        ]
        for (key, value) in hostile {
            #expect(throws: MoveError.self, "\(key): \(value)") {
                try read { members in
                    for index in members.indices where members[index].key == key {
                        members[index].value = value
                    }
                }
            }
        }
        for key in ["executable", "arguments", "made_ms", "host", "pids", "files", "images", "attachments"] {
            #expect(throws: MoveError.self, "without \(key)") { try read { $0.removeAll { $0.key == key } } }
        }
    }

    @Test func answersAreAsTheSchemaSays() throws {
        let saved = ContextMain.answer(
            ContextSave.Outcome(bytes: 2, controlBytes: 1, duration: 5, kept: 2, processes: 1),
            of: ContextSave(pid: 7, file: "/a", leavesRunning: true))
        let schemas = [("move-list", MovableList.value()), ("move-save", saved)]
        for (name, answer) in schemas {
            #expect(try JSONSchema.answer(name).validate(answer) == [], "\(name)")
        }
    }

    @Test func noiseIsRefused() {
        hostileInputs(from: [Self.file()], count: 4_000, seed: 12) { _ = try? Self.read($0) }
        let first = Array(ContextHeader.stub.utf8)
        hostileInputs(from: [AgentLink.bytes(Self.header().value)], count: 4_000, seed: 13) { json in
            let size = withUnsafeBytes(of: UInt32(json.count).bigEndian) { Array($0) }
            let known = ContextHeader.mark + [0, 1, 0, UInt8(ContextHeader.machine)] + size
            let bytes =
                first + known + StreamDigest.of(first, known, json) + json + Self.contents.joined()
            guard let (header, places) = try? Self.read(bytes) else { return }
            // What is read all the same has no image outside of the file, and none of a name that leads elsewhere.
            #expect(places.allSatisfy { $0.offset + $0.image.bytes <= UInt64(bytes.count) })
            #expect(header.images.allSatisfy { ContextHeader.isName($0.name) && !$0.name.contains("/") })
        }
    }

    @Test func filesThatAreNotAsTheyWereAreNamed() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/a"
            try FileDescriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600).writeAll(Array("12345".utf8))
            func problems(_ path: String, _ size: UInt64?) -> [String] {
                ContextRestore.problems([.init(path: Array(path.utf8), size: size)])
            }
            #expect(problems(path, 5) == [])
            #expect(problems(path, 6) == ["\(path): 5 bytes here, 6 when it was saved"])
            #expect(problems(folder, nil) == [])
            #expect(problems(folder, 5) == ["\(folder): it is no regular file here"])
            #expect(problems(path + "b", nil).count == 1)
        }
    }
}
