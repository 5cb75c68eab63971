import Transfer

/// Pages of a stopped process that the one that goes on elsewhere waits for: a question of criu's page server, of which one form alone is
/// answered (`struct page_server_iov`, `PS_IOV_GET` of criu/page-xfer.c).
struct PagesWanted: Equatable {
    /// Bytes of a question, and of what precedes the pages of an answer.
    static let size = 32
    /// Pages of an answer at the most: it has to fit into a frame.
    static let most: UInt64 = 2048

    private enum Command {
        static let get: UInt32 = 7
        /// `PS_IOV_ADD_F`, with the place of the pages above it.
        static let add: UInt32 = 6 | UInt32(PageMap.Place.present.rawValue) << 16
    }

    var start: UInt64
    var pages: UInt64
    /// The number that the process has itself.
    var number: Int32

    init(start: UInt64, pages: UInt64, number: Int32) {
        (self.start, self.pages, self.number) = (start, pages, number)
    }

    /// Reads what criu, or the other agent, asks for. Of more pages than come at once those that do come are the first.
    init(_ bytes: [UInt8]) throws(TransferError) {
        self = try Self.read(bytes, Command.get)
        pages = min(pages, Self.most)
    }

    private static func read(_ bytes: [UInt8], _ command: UInt32) throws(TransferError) -> PagesWanted {
        var packet = PacketReader(bytes)
        guard try packet.integer(UInt32.self) == command else {
            throw .malformed("another question of criu's")
        }
        _ = try packet.integer(UInt32.self)
        let pages = try packet.integer(UInt64.self)
        let start = try packet.integer(UInt64.self)
        let number = Int32(exactly: try packet.integer(UInt64.self)) ?? 0
        guard packet.isAtEnd, number > 0, pages > 0, pages < 1 << 40, start % PageMap.page == 0,
            start < 1 << 56
        else { throw .malformed("pages that cannot be") }
        return PagesWanted(start: start, pages: pages, number: number)
    }

    private func bytes(_ command: UInt32) -> [UInt8] {
        var packet = PacketWriter()
        packet.integer(command)
        packet.integer(UInt32(0))
        packet.integer(pages)
        packet.integer(start)
        packet.integer(UInt64(number))
        return packet.bytes
    }

    var question: [UInt8] { bytes(Command.get) }

    /// What precedes the pages of an answer.
    var head: [UInt8] { bytes(Command.add) }

    /// How many bytes of pages follow the head of an answer to this; as many as were asked for, since the source says so where it has not.
    func length(behind head: [UInt8]) throws(TransferError) -> Int {
        guard try Self.read(head, Command.add) == self else {
            throw .malformed("pages that nobody asked for")
        }
        return Int(pages * PageMap.page)
    }
}
