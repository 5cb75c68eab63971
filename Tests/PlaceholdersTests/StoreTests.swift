import Glibc
import SystemCalls
import TestSupport
import Testing
import Transfer

@testable import Placeholders

@Suite("What is known of placeholders lies on the disk")
struct StoreTests {
    static let some = [
        Placeholder(
            number: 0, path: Array("/srv/one".utf8), size: 1, handle: [4, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]),
        Placeholder(
            number: 7, path: [UInt8(ascii: "/"), 0xff], size: 20 * 65536 + 1,
            handle: [0, 0, 0, 0, 9, 0, 0, 0]),
    ]

    @Test func aListIsReadAsItWasWritten() throws {
        #expect(try PlaceholderIndex.read(PlaceholderIndex.bytes(Self.some)) == Self.some)
        #expect(try PlaceholderIndex.read(PlaceholderIndex.bytes([])) == [])
    }

    @Test func damageIsFound() throws {
        let good = PlaceholderIndex.bytes(Self.some)
        for position in good.indices {
            var bytes = good
            bytes[position] ^= 1
            #expect(throws: TransferError.self) { try PlaceholderIndex.read(bytes) }
            #expect(throws: TransferError.self) { try PlaceholderIndex.read(Array(good[..<position])) }
        }
        #expect(throws: TransferError.self) { try PlaceholderIndex.read(good + [0]) }
    }

    /// With a hash that fits, since otherwise nothing but that would be tried.
    @Test func hostileBytes() {
        let good = [PlaceholderIndex.bytes(Self.some), PlaceholderIndex.bytes([])]
        hostileInputs(from: good, count: 20_000, seed: 3) { bytes in
            guard bytes.count > 16 else { return }
            var packet = PacketWriter()
            packet.bytes = Array(bytes.dropLast(16))
            packet.hash(packet.bytes.withUnsafeBytes { BlockHash($0) })
            guard let read = try? PlaceholderIndex.read(packet.bytes) else { return }
            for placeholder in read {
                #expect(placeholder.units > 0)
                #expect(FileEntry.isSound(placeholder.path))
                #expect(placeholder.handle.count == 8 + Int(placeholder.handle[0]))
            }
        }
    }

    @Test func filledUnitsAreKnownAfterwards() throws {
        try withTemporaryFolder { folder in
            #expect(!PlaceholderStore.isThere(folder))
            try PlaceholderStore.make(Self.some, in: folder)
            #expect(PlaceholderStore.isThere(folder))
            let store = try PlaceholderStore(folder)
            #expect(store.missing == 2 + 20 * 65536)
            #expect(store.firstMissing(0) == 0)
            try store.fill(0, 0..<1)
            #expect(store.firstMissing(0) == nil)
            // The last one has one byte; what is behind it is none.
            try store.fill(1, 20..<99)
            #expect(store.missing == 20 * 65536)
            try store.fill(1, 3..<12)
            try store.fill(1, 3..<12)
            let again = try PlaceholderStore(folder)
            #expect(again.missing == 11 * 65536)
            #expect(again.firstMissing(0) == nil)
            #expect(again.firstMissing(1) == 0)
            #expect(again.firstMissing(1, from: 3) == 12)
            #expect(!again.isFilled(1, 2) && again.isFilled(1, 11) && again.isFilled(1, 20))
            #expect(again.placeholders == Self.some)
        }
    }

    @Test func bitsOfOtherFilesAreRefused() throws {
        try withTemporaryFolder { folder in
            try PlaceholderStore.make(Self.some, in: folder)
            truncate(folder + "/bits", 2)
            #expect(throws: TransferError.self) { try PlaceholderStore(folder) }
            unlink(folder + "/bits")
            #expect(throws: TransferError.self) { try PlaceholderStore(folder) }
        }
    }
}

@Suite("What the kernel and the keeper say")
struct MessageTests {
    /// An event as the kernel writes it, with an information record.
    static func event(
        descriptor: Int32, pid: Int32, kind: UInt8 = 6, offset: UInt64, length: UInt64
    ) -> [UInt8] {
        var packet = PacketWriter()
        packet.integer(UInt32(48))
        packet.integer(UInt8(3))
        packet.integer(UInt8(0))
        packet.integer(UInt16(24))
        packet.integer(UInt64(0x100000))
        packet.integer(descriptor)
        packet.integer(pid)
        packet.integer(kind)
        packet.integer(UInt8(0))
        packet.integer(UInt16(24))
        packet.integer(UInt32(0))
        packet.integer(offset)
        packet.integer(length)
        return packet.bytes
    }

    @Test func eventsHaveTheirRanges() {
        let bytes =
            Self.event(descriptor: 5, pid: 77, offset: 4096, length: 8192)
            + Self.event(descriptor: 6, pid: 78, kind: 1, offset: 1, length: 2)
        #expect(
            AccessEvent.parse(bytes) == [
                AccessEvent(descriptor: 5, pid: 77, offset: 4096, length: 8192),
                // Without a range it is the whole file.
                AccessEvent(descriptor: 6, pid: 78, offset: 0, length: 0),
            ])
    }

    @Test func hostileEvents() {
        let good = [
            Self.event(descriptor: 5, pid: 77, offset: 4096, length: 8192),
            Self.event(descriptor: 6, pid: 78, kind: 1, offset: .max, length: .max),
        ]
        hostileInputs(from: good, count: 20_000, seed: 5) { bytes in
            #expect(AccessEvent.parse(bytes).count <= bytes.count / 24)
        }
    }

    @Test func messagesAreReadAsTheyWereWritten() {
        var message = KeeperMessage(.access)
        (message.serial, message.number, message.pid) = (.max, 3, 4)
        (message.offset, message.length, message.code) = (1 << 40, 5, EIO)
        #expect(KeeperMessage(message.bytes) == message)
        #expect(KeeperMessage(Array(message.bytes.dropLast())) == nil)
        #expect(KeeperMessage([UInt8](repeating: 0xee, count: KeeperMessage.size)) == nil)
    }
}
