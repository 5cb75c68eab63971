import EventTrace
import Foundation
import Observation
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// Recordings on the disk: where they are written, and how they are read.
@Suite struct RecordingFileTests {
    private func recorder(_ path: String) throws(StartError) -> TraceRecorder {
        try TraceRecorder(
            path: path, host: Host(id: "h", name: "n", kernel: "k", boot: "b"), scope: Scope(), ownPid: 1,
            layout: [],
            started: 0)
    }

    private func refusal(_ path: String) -> String? {
        do throws(StartError) {
            _ = try recorder(path)
            return nil
        } catch { return error.description }
    }

    private func replayError(_ path: String) -> String {
        do {
            try Replay.printDump(of: path)
            return ""
        } catch { return "\(error)" }
    }

    @Test func isWrittenForItsOwnerAlone() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/trace"
            try write("an earlier one", to: path)
            #expect(chmod(path, 0o644) == 0)
            try recorder(path).flush()
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            var reader = try TraceReader(from: RecordingFile(path).source)
            #expect(try reader.next()?.tag == .host)
            #expect(try reader.next() == nil)
        }
    }

    @Test func linksAndOthersFilesAreLeftAlone() throws {
        try withTemporaryFolder { folder in
            let victim = folder + "/victim"
            try write("precious", to: victim)
            #expect(symlink("victim", folder + "/link") == 0)
            #expect(link(victim, folder + "/hard") == 0)
            #expect(mkfifo(folder + "/fifo", 0o600) == 0)
            #expect(refusal(folder + "/link")?.contains("it is a symbolic link") == true)
            #expect(refusal(folder + "/hard")?.contains("has 2 names") == true)
            #expect(refusal(folder + "/fifo") != nil)
            #expect(refusal(folder + "/none/trace")?.contains("No such file") == true)
            #expect(refusal(folder) != nil && refusal(folder + "/") != nil)
            #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        }
    }

    @Test(.privileged) func othersLinksAndFiles() throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/victims")
            try write("theirs", to: folder + "/file")
            #expect(symlink("victims", folder + "/link") == 0)
            for name in ["file", "link"] { #expect(lchown(folder + "/" + name, 65534, 65534) == 0) }
            #expect(refusal(folder + "/file")?.contains("belongs to user 65534") == true)
            #expect(refusal(folder + "/link/trace")?.contains("a symbolic link of user 65534") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/victims") == [])
        }
    }

    /// Recording ends, says so, and what is there can be replayed.
    @Test(.privileged) func fullDisk() throws {
        let scratch = try ScratchFilesystem(.tmpfs)
        try run(["mount", "-o", "remount,size=64k", scratch.path])
        let path = scratch.path + "/trace"
        let recorder = try recorder(path)
        for number in 0..<100 as Range<UInt64> {
            recorder.cycle(cutoff: number, wall: number)
            recorder.add(.fanotify, raw: [UInt8](repeating: 7, count: 1500))
            recorder.flush()
        }
        let remark = try #require(recorder.remark)
        #expect(remark.contains(path) && remark.contains("No space left on device"), "\(remark)")
        var reader = try TraceReader(from: RecordingFile(path).source)
        var frames = 0
        while try reader.next() != nil { frames += 1 }
        #expect(frames > 23 && frames < 200)
    }

    @Test func aRecordingThatIsNoFile() throws {
        try withTemporaryFolder { folder in
            #expect(mkfifo(folder + "/fifo", 0o600) == 0)
            for path in [folder + "/fifo", "/dev/zero", folder] {
                #expect(
                    replayError(path) == "the recording \(path) is not a regular file; copy it into one first"
                )
            }
        }
    }

    /// Three gigabytes of zeros, with and without a first line.
    @Test func zeros() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/trace"
            try write("", to: path)
            #expect(truncate(path, 3 << 30) == 0)
            #expect(replayError(path).hasSuffix("\(TraceError.notATrace)"))
            var writer = TraceWriter()
            writer.add(.host) { $0.put(UInt64(0)) }
            try Data(writer.bytes).write(to: URL(fileURLWithPath: path))
            let end = writer.bytes.count
            #expect(truncate(path, 3 << 30) == 0)
            var reader = try TraceReader(from: RecordingFile(path).source)
            #expect(try reader.next()?.tag == .host)
            #expect(throws: TraceError.malformed(offset: end)) { try reader.next() }
        }
    }

    /// However long the stream, no more of it is asked for at a time than a frame and a piece.
    @Test func isReadInPieces() throws {
        var writer = TraceWriter()
        for _ in 0..<200 {
            [UInt8](repeating: 1, count: 50_000).withUnsafeBytes { writer.add(.process, raw: $0) }
        }
        let bytes = writer.bytes
        let state = Mutex((offset: 0, largest: 0))
        var reader = try TraceReader { count in
            state.withLock { state in
                state.largest = max(state.largest, count)
                let piece = bytes[state.offset..<min(state.offset + min(count, 7001), bytes.count)]
                state.offset = piece.endIndex
                return Array(piece)
            }
        }
        var frames = 0
        while let frame = try reader.next() {
            frames += 1
            #expect(reader.raw(frame).count == 50_000 && reader.raw(frame).allSatisfy { $0 == 1 })
        }
        #expect(frames == 200)
        #expect(state.withLock { $0.largest } <= 1 << 16)
    }

    @Test func framesHaveAMaximum() throws {
        var bytes = traceMagic + [5, 1, 0, 0, 4]
        #expect(throws: TraceError.tooLong(offset: 16)) {
            var reader = try TraceReader(bytes)
            _ = try reader.next()
        }
        bytes = traceMagic + [5, 0, 0, 0, 4]
        #expect(throws: TraceError.truncated(offset: 16)) {
            var reader = try TraceReader(bytes)
            _ = try reader.next()
        }
        var writer = TraceWriter()
        let long = [UInt8](repeating: 0, count: TraceFormat.longestPayload + 1)
        long.withUnsafeBytes { writer.add(.process, raw: $0) }
        #expect(writer.hasLeftOut && writer.bytes == traceMagic)
    }
}
