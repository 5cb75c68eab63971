import TestSupport
import Testing
import TracepointRing
import Wire

@Suite struct FormatTests {
    @Test func fields() throws {
        let format = try TracepointFormat(Fixtures.format)
        #expect(format.identifier == 2287)
        #expect(format.fields.count == 15)
        #expect(try format.offset(of: "skaddr", size: 8) == 8)
        #expect(try format.offset(of: "saddr_v6", size: 16) == 40)
        #expect(try format.field("common_pid").offset == 4)
        #expect(throws: FormatError.noField("none")) { try format.field("none") }
        #expect(throws: FormatError.size("skaddr", 8)) { try format.offset(of: "skaddr", size: 4) }
    }

    @Test func oddForms() throws {
        func fields(_ line: String) throws(FormatError) -> [TracepointFormat.Field] {
            try TracepointFormat(Array("ID: 1\n\(line)\n".utf8)).fields
        }
        #expect(try fields("\tfield:char *name; offset:65535; size:0; signed:0;").first?.name == "name")
        #expect(try fields("field:char a;\toffset:1;\tsize:1;").first?.offset == 1)
        for bad in [
            "\tfield:", "\tfield:;;;", "\tfield:int a;", "\tfield:int a;\toffset:65536;\tsize:1;",
            "\tfield:int a;\toffset:-1;\tsize:1;", "\tfield:int a;\toffset:;\tsize:1;",
            "\tfield:int a;\tsize:1;\toffset:1;", "\tfield:[];\toffset:1;\tsize:1;",
            "\tfield:int a;\toffset:1x;\tsize:1;", "\tfield:int a;\toffset:99999999999999999999;\tsize:1;",
        ] {
            #expect(throws: FormatError.line(2)) { try fields(bad) }
        }
        for bad in ["", "ID:", "ID: 0", "ID: x", "ID: 65536", "ID: -1", "\tfield:int a;\toffset:1;\tsize:1;"]
        {
            #expect(throws: FormatError.noIdentifier) { try TracepointFormat(Array(bad.utf8)) }
        }
        #expect(throws: FormatError.tooLong) {
            try TracepointFormat([UInt8](repeating: 10, count: 1 << 16 + 1))
        }
    }

    /// What the text behind `print fmt:` looks like is nobody's business.
    @Test func expressionsAreNotRead() throws {
        let text = Fixtures.format + Array("\tfield:broken\n".utf8)
        #expect(try TracepointFormat(text).fields.count == 15)
    }

    @Test func layout() throws {
        let layout = try Fixtures.layout
        #expect(layout.identifier == 2287)
        #expect(
            layout.bytes
                == hex(
                    """
                    01  // version
                    ef08  // identifier
                    0800 1000 1400  // socket, old and new state
                    1800 1a00  // ports
                    1c00  // family
                    1e00 0200  // protocol, and its size
                    2800 3800  // addresses
                    """))
        #expect(try TransitionLayout(layout.bytes) == layout)
        #expect(try TransitionLayout(layout.bytes + [1, 2, 3]) == layout)
    }

    @Test func layoutsThatAreNone() throws {
        let bytes = try Fixtures.layout.bytes
        for length in 0..<bytes.count {
            #expect(throws: WireError.self) { try TransitionLayout(Array(bytes.prefix(length))) }
        }
        var other = bytes
        other[0] = 2
        #expect(throws: WireError.malformed(offset: 0)) { try TransitionLayout(other) }
        other = bytes
        other[17] = 3
        #expect(throws: WireError.malformed(offset: 17)) { try TransitionLayout(other) }
    }

    @Test func fieldsOfAnotherKernel() throws {
        func layout(_ old: String, _ new: String) throws -> TransitionLayout {
            let text = String(decoding: Fixtures.format, as: UTF8.self)
            precondition(text.contains(old))
            let parts = text.split(separator: old, omittingEmptySubsequences: false)
            return try TransitionLayout(TracepointFormat(Array(parts.joined(separator: new).utf8)))
        }
        // Linux 5.6 and before.
        let narrow = try layout("__u16 protocol;\toffset:30;\tsize:2", "__u8 protocol;\toffset:30;\tsize:1")
        #expect(narrow.bytes[15...18] == [30, 0, 1, 0])
        #expect(throws: FormatError.size("skaddr", 4)) {
            try layout("skaddr;\toffset:8;\tsize:8", "skaddr;\toffset:8;\tsize:4")
        }
        #expect(throws: FormatError.size("protocol", 4)) {
            try layout("protocol;\toffset:30;\tsize:2", "protocol;\toffset:30;\tsize:4")
        }
        #expect(throws: FormatError.noField("newstate")) { try layout(" newstate", " nextstate") }
    }

    /// A file that breaks off gives fewer fields or an error, and never a wrong layout.
    @Test func everyTruncation() throws {
        let whole = try Fixtures.layout
        for length in 0..<Fixtures.format.count {
            guard let format = try? TracepointFormat(Array(Fixtures.format.prefix(length))) else { continue }
            if let layout = try? TransitionLayout(format) { #expect(layout == whole) }
        }
    }

    @Test func hostileTextDoesNotTrap() {
        hostileMessages(from: [Fixtures.format], count: 5_000, seed: 23) { bytes in
            _ = try? TransitionLayout(TracepointFormat(bytes))
        }
    }
}
