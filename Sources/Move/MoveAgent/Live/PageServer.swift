import Glibc
import SystemCalls
import Synchronization
import Text
import Transfer

/// The source's side of memory that is fetched (`--memory fetched`): pages of the stopped processes which their images name and do not
/// have, and nothing else.
final class PageServer: Sendable {
    private let maps: [Int32: PageMap]
    private let pids: [Int32: Int32]
    private let progress: TransferProgress
    /// Bytes that were sent.
    let sent = Mutex(UInt64(0))

    /// - Parameters:
    ///   - images: of the processes, which stay as long as it serves.
    ///   - pids: by the numbers that processes have themselves.
    init(images: String, pids: [Int32: Int32], progress: TransferProgress) throws(MoveError) {
        var maps: [Int32: PageMap] = [:]
        for path in try LiveDump.files(below: images).paths {
            guard let number = ImageFile.number(path, "pagemap") else { continue }
            let name = images + String(decoding: path, as: UTF8.self)
            guard let map = (try? FileDescriptor.open(name, O_RDONLY))?.all.flatMap({ PageMap($0) }) else {
                throw MoveError("\(name) cannot be read")
            }
            maps[number] = map
        }
        (self.maps, self.pids, self.progress) = (maps, pids, progress)
    }

    /// Answers until the connection ends.
    func serve(_ channel: any FrameChannel) throws(TransferError) {
        var pace = Pace()
        while true {
            let frame = try channel.receive()
            guard frame.kind == .pagesWanted else { throw .malformed("\(frame.kind) in place of pages") }
            let wanted = try PagesWanted(frame.payload)
            let pages = try pages(wanted)
            pace.wait(for: pages.count, at: progress.bytesPerSecond)
            progress.change { $0.sent += UInt64(pages.count) }
            sent.withLock { $0 += UInt64(pages.count) }
            try channel.send(Frame(.pages, wanted.head + pages))
            try channel.flush()
            Fault.pass("memory-page")
        }
    }

    func pages(_ wanted: PagesWanted) throws(TransferError) -> [UInt8] {
        guard let pid = pids[wanted.number], let map = maps[wanted.number],
            map.leaves(wanted.start, wanted.pages)
        else { throw .refused("no such pages are served") }
        let path = "/proc/\(pid)/mem"
        var bytes: [UInt8]?
        do throws(SystemError) {
            let memory = try FileDescriptor.open(path, O_RDONLY)
            try BlockReader.read(
                1,
                { [number = memory.number] _ in
                    BlockReader.Part(
                        file: number, first: 0, start: wanted.start, length: Int(wanted.pages * PageMap.page),
                        block: Int(PageMap.page))
                }
            ) { (piece: BlockReader.Piece) throws(SystemError) in
                guard piece.bytes.count == Int(wanted.pages * PageMap.page) else {
                    throw piece.failure ?? SystemError("pread", code: EIO)
                }
                bytes = piece.bytes
            }
        } catch { throw .file(Array(path.utf8), error) }
        return bytes ?? []
    }
}

extension PageMap {
    /// Whether pages are named, and not had by the image.
    func leaves(_ start: UInt64, _ pages: UInt64) -> Bool {
        var at = start
        let end = start + pages * Self.page
        for run in runs where run.end > at {
            guard run.start <= at, run.place == .deferrable else { return false }
            at = run.end
            if at >= end { return true }
        }
        return false
    }
}
