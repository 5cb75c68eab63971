import CLinux
import Glibc
import Placeholders
import Synchronization
import SystemCalls
import TestSupport
import Testing
import Transfer
import Transport

@testable import MoveAgent

@Suite("Files that are fetched when they are touched, as they are asked for and served")
struct UnitTests {
    private final class Flag: Sendable { let value = Atomic(false) }

    private static func sent(_ frame: Frame) throws(TransferError) -> [UnitSent] {
        var packet = PacketReader(frame.payload)
        return try UnitSent.read(&packet)
    }

    private static func wanted(_ number: UInt32, _ first: Int, _ count: Int, _ hashes: [BlockHash] = [])
        -> UnitsWanted
    {
        UnitsWanted(number: number, first: first, count: count, missing: 9, hashes: hashes)
    }

    @Test func whatIsSaidIsUnderstood() throws {
        let asked = Self.wanted(3, 77, 2, [BlockHash(high: 1, low: 2), BlockHash(high: 3, low: 4)])
        #expect(try UnitsWanted(asked.frame) == asked)
        let units: [UnitSent] = [.bytes([1, 2, 3]), .zeros, .same]
        #expect(try Self.sent(UnitSent.frame(units)) == units)
        #expect(throws: TransferError.refused("why")) { try Self.sent(UnitSent.refusal("why")) }
    }

    /// A source that connects when everything is here already is not kept: it learns that by asking again.
    @Test func aConnectionThatComesTooLate() throws {
        var numbers: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, clinux_SOCK_STREAM, 0, &numbers) == 0 else {
            throw Failure("socketpair")
        }
        let source = StreamChannel(SocketStream(FileDescriptor(owning: numbers[0])))
        let late = StreamChannel(SocketStream(FileDescriptor(owning: numbers[1])))
        let units = RemoteUnits(before: "/nowhere")
        units.leave()
        let isBack = Flag()
        try DetachedThread.start {
            units.use(late)
            isBack.value.store(true, ordering: .relaxed)
        }
        // Without it nothing would be received either.
        let returned: Bool? = eventually(within: 10) { isBack.value.load(ordering: .relaxed) ? true : nil }
        try #require(returned == true, "it is used for ever")
        #expect(throws: TransferError.self) { _ = try source.receive() }
    }

    @Test func hostileBytes() {
        let good = [
            Self.wanted(3, 77, 1, [BlockHash(high: 1, low: 2)]).frame.payload,
            Self.wanted(0, 0, 128).frame.payload,
            UnitSent.frame([.bytes([1, 2, 3]), .zeros, .same]).payload, UnitSent.refusal("why").payload,
        ]
        hostileInputs(from: good, count: 20_000, seed: 7) { bytes in
            if let wanted = try? UnitsWanted(Frame(.unitsWanted, bytes)) {
                #expect((1...UnitsWanted.most).contains(wanted.count))
                #expect(wanted.first < 1 << 32)
            }
            _ = try? Self.sent(Frame(.units, bytes))
        }
    }

    @Test func onlyWhatWasListedIsServedAndOnlyAsItWas() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/data"
            let unit = Placeholder.unit
            try write(String(repeating: "a", count: unit), to: path)
            // A hole, then a last unit that is short.
            let file = try FileDescriptor.open(path, O_RDWR)
            #expect(pwrite(file.number, "bcd", 3, off_t(2 * unit)) == 3)
            let identity = try #require(FileIdentity(descriptor: file.number))
            try UnitServer.write([(Array("/data".utf8), identity)], to: folder + "/served.json")
            let server = try #require(
                UnitServer(folder + "/served.json", root: folder, progress: TransferProgress()))
            let whole = [UInt8](repeating: UInt8(ascii: "a"), count: unit)
            let all: [UnitSent] = [.bytes(whole), .zeros, .bytes(Array("bcd".utf8))]
            #expect(try Self.sent(server.answer(Self.wanted(0, 0, 3))) == all)
            let hash = whole.withUnsafeBytes { BlockHash($0) }
            #expect(try Self.sent(server.answer(Self.wanted(0, 0, 1, [hash]))) == [.same])
            for refused in [
                Self.wanted(1, 0, 1), Self.wanted(.max, 0, 1), Self.wanted(0, 3, 1), Self.wanted(0, 2, 2),
            ] {
                #expect(throws: TransferError.self) { try Self.sent(server.answer(refused)) }
            }
            #expect(pwrite(file.number, "x", 1, 5) == 1)
            #expect(throws: TransferError.self) { try Self.sent(server.answer(Self.wanted(0, 0, 1))) }
        }
    }

    @Test func programsAndSmallFilesAreNotDeferred() {
        func isDeferred(_ path: String, size: UInt64 = 1 << 20, mode: UInt32 = 0o644) -> Bool {
            var entry = FileEntry(Array(path.utf8), .file)
            (entry.size, entry.mode) = (size, mode)
            return Departure.isDeferred(entry)
        }
        #expect(isDeferred("/srv/data/1"))
        #expect(isDeferred("/var/lib/postgresql/15/main/base/5/16384"))
        #expect(!isDeferred("/srv/data/1", size: 65535))
        #expect(!isDeferred("/srv/program", mode: 0o755))
        #expect(
            !isDeferred("/usr/share/data") && !isDeferred("/lib64/libc.so.6") && !isDeferred("/etc/large"))
    }
}
