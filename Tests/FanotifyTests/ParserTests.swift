import Fanotify
import TestSupport
import Testing
import Wire

func events(_ bytes: [UInt8], from start: Int = 0) throws(WireError) -> [FanotifyEvent] {
    var events: [FanotifyEvent] = []
    try FanotifyEvent.parse(bytes.span.bytes, from: start) { events.append($0) }
    return events
}

extension [UInt8] {
    func text(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }
}

@Suite struct ParserTests {
    private func only(_ bytes: [UInt8]) throws -> FanotifyEvent {
        let events = try events(bytes)
        #expect(events.count == 1)
        return try #require(events.first)
    }

    @Test func openOfAFile() throws {
        let bytes = Fixtures.open
        let event = try only(bytes)
        #expect(event.mask == .open)
        #expect(event.pid == 4186)
        #expect(event.descriptor == -1)
        #expect(Array(bytes[event.directory]) == Fixtures.rootIdentity)
        #expect(bytes.text(event.name) == "a.conf")
        #expect(Array(bytes[event.target]) == Fixtures.fileIdentity)
        #expect(event.newDirectory.isEmpty)
        #expect(event.newName.isEmpty)
    }

    @Test func openOfADirectory() throws {
        let bytes = Fixtures.openDirectory
        let event = try only(bytes)
        #expect(event.mask == [.open, .directory])
        #expect(Array(bytes[event.directory]) == Fixtures.rootIdentity)
        #expect(bytes.text(event.name) == ".")
        #expect(event.target.isEmpty)
    }

    @Test func exec() throws {
        let event = try only(Fixtures.exec)
        #expect(event.mask == [.open, .openExec])
        #expect(event.pid == 4190)
        #expect(Fixtures.exec.text(event.name) == "true")
        #expect(event.target.count == 28)
    }

    @Test func creationOfADirectory() throws {
        let bytes = Fixtures.makeDirectory
        let event = try only(bytes)
        #expect(event.mask == [.create, .directory])
        #expect(Array(bytes[event.directory]) == Fixtures.rootIdentity)
        // A name that ends where the padding would begin.
        #expect(bytes.text(event.name) == "sub")
        #expect(Array(bytes[event.target]) == Fixtures.subIdentity)
    }

    @Test func renameHasBothPlaces() throws {
        let bytes = Fixtures.rename
        let event = try only(bytes)
        #expect(event.mask == .rename)
        #expect(Array(bytes[event.directory]) == Fixtures.rootIdentity)
        #expect(bytes.text(event.name) == "a.conf")
        #expect(Array(bytes[event.newDirectory]) == Fixtures.subIdentity)
        #expect(bytes.text(event.newName) == "b.conf")
        #expect(Array(bytes[event.target]) == Fixtures.fileIdentity)
    }

    @Test func mergedEvent() throws {
        let event = try only(Fixtures.openAndCloseWritable)
        #expect(event.mask == [.open, .closeWrite])
        #expect(Array(Fixtures.openAndCloseWritable[event.directory]) == Fixtures.subIdentity)
    }

    @Test func overflowHasNoProcess() throws {
        let event = try only(Fixtures.overflow)
        #expect(event.mask == .overflow)
        #expect(event.pid == 0)
        #expect(event.descriptor == -1)
        #expect(event.directory.isEmpty && event.name.isEmpty && event.target.isEmpty)
    }

    @Test func descriptorMode() throws {
        let event = try only(Fixtures.descriptor)
        #expect(event.mask == [.open, .closeWrite])
        #expect(event.descriptor == 4)
        #expect(event.pid == 4186)
        #expect(event.directory.isEmpty && event.name.isEmpty && event.target.isEmpty)
    }

    @Test func severalAndFromAnOffset() throws {
        let noise: [UInt8] = [0xff, 0xff, 0xff]
        let bytes = noise + Fixtures.overflow + Fixtures.rename + Fixtures.open
        let events = try events(bytes, from: noise.count)
        #expect(events.map(\.mask) == [.overflow, .rename, .open])
        // Ranges count from the first byte of the buffer, not from where the walk began.
        #expect(bytes.text(events[2].name) == "a.conf")
        #expect(Array(bytes[events[1].newDirectory]) == Fixtures.subIdentity)
        #expect(try FanotifyTests.events([]).isEmpty)
        #expect(try FanotifyTests.events(bytes, from: bytes.count).isEmpty)
    }

    @Test func unknownRecordsAreSkipped() throws {
        // A pidfd record (4), and one of a kind that does not exist yet, before those that matter.
        let records = hex("04 00 0800 ffffffff  7f 00 0500 99")
        var bytes = Fixtures.open
        bytes.insert(contentsOf: records, at: 24)
        bytes[0] += UInt8(records.count)
        let event = try only(bytes)
        #expect(bytes.text(event.name) == "a.conf")
        #expect(Array(bytes[event.target]) == Fixtures.fileIdentity)
    }

    /// A later kernel may make the metadata longer: its own length says where the records start.
    @Test func longerMetadata() throws {
        var bytes = Fixtures.open
        bytes.insert(contentsOf: [9, 9, 9, 9, 9, 9, 9, 9], at: 24)
        bytes[0] += 8
        bytes[6] += 8
        let event = try only(bytes)
        #expect(event.pid == 4186)
        #expect(bytes.text(event.name) == "a.conf")
    }

    @Test func recordWithoutAName() throws {
        // FAN_EVENT_INFO_TYPE_DFID: the directory's handle and nothing behind it.
        var bytes = Fixtures.openDirectory
        bytes[24] = 3
        bytes.removeLast(4)
        bytes[0] -= 4
        bytes[26] -= 4
        let event = try only(bytes)
        #expect(Array(bytes[event.directory]) == Fixtures.rootIdentity)
        #expect(event.name.isEmpty)
    }

    @Test func nameThatIsNotText() throws {
        var bytes = Fixtures.open
        bytes[56] = 0xff
        let event = try only(bytes)
        #expect(Array(bytes[event.name]) == [0xff] + Array(".conf".utf8))
    }

    @Test func masksAreTheKernels() {
        // Values of include/uapi/linux/fanotify.h, which are ABI.
        #expect(FanotifyMask.open.rawValue == 0x20)
        #expect(FanotifyMask.openExec.rawValue == 0x1000)
        #expect(FanotifyMask.closeWrite.rawValue == 0x8)
        #expect(FanotifyMask.create.rawValue == 0x100)
        #expect(FanotifyMask.rename.rawValue == 0x1000_0000)
        #expect(FanotifyMask.directory.rawValue == 0x4000_0000)
        #expect(FanotifyMask.overflow.rawValue == 0x4000)
        // Never a permission event, and nothing that prices each read, write or close.
        let forbidden: UInt64 = 0x10000 | 0x20000 | 0x40000 | 0x100000 | 0x1 | 0x2 | 0x10
        #expect(FanotifyMask.observed.rawValue & forbidden == 0)
        #expect(FanotifyMask.observedByDescriptor.rawValue & forbidden == 0)
    }
}
