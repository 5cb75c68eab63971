import Glibc
import Testing

@testable import Daemon

/// Who holds what, found in two parts.
@Suite("Holders of descriptors")
struct DescriptorHoldersTests {
    private struct Note {
        var pid: Int32
        var descriptor: Int32
        var inode: UInt32
        var flags: Int32
    }

    private func holders(_ notes: some Sequence<Note>) -> DescriptorHolders {
        var holders = DescriptorHolders()
        for note in notes {
            for kind in ["socket", "pipe"] {
                Array("\(kind):[\(note.inode)]".utf8).withUnsafeBytes {
                    guard let pipe = holders.note($0, note.descriptor, note.pid) else { return }
                    holders.note(pipe: pipe, note.pid, note.descriptor, flags: note.flags)
                }
            }
            holders.noteFifo(
                Array("/fifo\(note.inode)".utf8), FileIdentity(device: 1, inode: UInt64(note.inode)),
                note.pid,
                note.descriptor, flags: note.flags)
        }
        return holders
    }

    /// What each has by which descriptor, and in which order.
    private func text(_ holders: DescriptorHolders) -> [String] {
        func ends(_ ends: PipeEnds) -> String {
            var held: Set<String> = []
            _ = ends.kept { pid, descriptor in
                held.insert("\(pid) by \(descriptor)")
                return true
            }
            return "\(ends.writers) \(ends.readers) \(held.sorted())"
        }
        return holders.sockets.map { "socket \($0): \($1) \(holders.firstDescriptors[$0] ?? -1)" }.sorted()
            + holders.pipes.map { "pipe \($0): \(ends($1))" }.sorted()
            + holders.fifos.map { "fifo \($0.inode): \($1.path) \(ends($1.ends))" }.sorted()
    }

    @Test(arguments: 0..<40)
    func partsOfThemAreTheWhole(seed: Int) {
        // Some numbers of a linear congruence: the same in each run.
        var state = UInt32(seed)
        func number(_ bound: UInt32) -> UInt32 {
            state = state &* 1_664_525 &+ 1_013_904_223
            return (state >> 8) % bound
        }
        var notes: [Note] = []
        for pid in 1...Int32(12) {
            for descriptor in 0..<Int32(number(6)) {
                let flags = [O_RDONLY, O_WRONLY, O_RDWR][Int(number(3))]
                notes.append(Note(pid: pid, descriptor: descriptor, inode: number(5), flags: flags))
            }
        }
        let bound = Int32(number(12)) + 1
        var parts = holders(notes.filter { $0.pid < bound })
        parts.append(holders(notes.filter { $0.pid >= bound }))
        #expect(text(parts) == text(holders(notes)))
    }

    @Test func objectsOfOtherPlacesAreTheirsOfBothParts() throws {
        func objects(_ pids: [Int32]) -> ObjectsElsewhere {
            var found = ObjectsElsewhere()
            for pid in pids {
                found.noteSegment(7, 3, 1000, pid)
                found.noteMemory(Array((pid == 1 ? "/dev/shm/a (deleted)" : "/dev/shm/a").utf8), 9, 5, pid)
            }
            return found
        }
        var parts = objects([1])
        parts.append(objects([2, 3]))
        let whole = objects([1, 2, 3])
        let (one, other) = (parts.holdings, whole.holdings)
        #expect(one.count == 2 && other.count == 2)
        for (found, wanted) in zip(one, other) {
            #expect(found.0 == wanted.0 && found.1.name == wanted.1.name && found.1.pids == [1, 2, 3])
        }
    }
}
