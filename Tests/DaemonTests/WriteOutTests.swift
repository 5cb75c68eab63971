import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// What a large file leaves in the page cache.
@Suite struct WriteOutTests {
    private static let size = 10 * WriteOut.piece

    /// Bytes of a file that are in memory; see mincore(2).
    private func cached(_ file: borrowing FileDescriptor) throws -> Int {
        let pages = Self.size / sysconf(Int32(_SC_PAGESIZE))
        let place = mmap(nil, Self.size, PROT_READ, MAP_SHARED, file.number, 0)
        defer { munmap(place, Self.size) }
        var states = [UInt8](repeating: 0, count: pages)
        #expect(mincore(place!, Self.size, &states) == 0)
        return states.count { $0 & 1 == 1 } * (Self.size / pages)
    }

    private func write(_ folder: String, _ advance: (inout WriteOut, Int) throws -> Void) throws -> Int {
        let file = try FileDescriptor.open(folder + "/large", O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        var writeOut = WriteOut(file)
        let piece = [UInt8](repeating: 0x61, count: 1 << 20)
        for end in stride(from: piece.count, through: Self.size, by: piece.count) {
            #expect(Glibc.write(file.number, piece, piece.count) == piece.count)
            try advance(&writeOut, end)
        }
        return try cached(file)
    }

    @Test(.privileged) func pagesAreGivenBack() throws {
        let scratch = try ScratchFilesystem(.ext4)
        let kept = try write(scratch.path) { try $0.advance(to: $1) }
        #expect(kept <= WriteOut.pieces * WriteOut.piece)
    }

    /// So that the test above would see it if they stayed.
    @Test(.privileged) func pagesStayWithoutIt() throws {
        let scratch = try ScratchFilesystem(.ext4)
        let kept = try write(scratch.path) { _, _ in }
        #expect(kept > WriteOut.pieces * WriteOut.piece)
    }

    /// A pipe cannot be synchronised: nothing is thrown.
    @Test func whatCannotBeSynchronisedIsLeftAlone() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let output = FileDescriptor(owning: ends[0])
        let input = FileDescriptor(owning: ends[1])
        var writeOut = WriteOut(input)
        try writeOut.advance(to: Self.size)
        #expect(output.number >= 0)
    }
}
