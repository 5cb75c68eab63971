import Foundation
import TestSupport
import Testing

@testable import RetinueCommands

/// What a person in front of a terminal sees and does.
@Suite("A move group at a terminal")
struct GroupTerminalTests {
    /// A dump that takes more than a second to come.
    private static let slowly = "(head -c 100000 web.ndjson; sleep 1.3; tail -c +100001 web.ndjson)"

    @Test func progressIsShownAndClearedOnATerminal() throws {
        try CommandFolder.with { folder throws in
            let retinue = try Products.path("retinue")
            let pad = "{\"type\":\"note\",\"text\":\"\(String(repeating: "x", count: 70_000))\"}\n"
            try folder.write(Shop.web.ndjson + Array((pad + pad + pad).utf8), "web.ndjson")
            let command = "\(Self.slowly) | '\(retinue)' group shop.py --from - --format csv > out.csv"
            let shown = try folder.shell("script -qec \"\(command)\" /dev/null < /dev/null")
            #expect(shown.output.contains("\r\u{1b}[Kretinue: reading standard input: "))
            #expect(!shown.output.contains(", \r"))
            // At the end the line is gone.
            let last = shown.output.components(separatedBy: "\u{1b}[K").last ?? ""
            #expect(!last.contains("reading"))
            #expect(try folder.text("out.csv").contains("/srv/shop.py"))
            // Without a terminal there is none of it.
            let plain = try folder.shell("\(command)")
            #expect(plain.errors.isEmpty || !plain.errors.contains("reading"))
        }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func anInterruptionLeavesNothing(signal: Int32) throws {
        try CommandFolder.with { folder throws in
            try run(["mkfifo", folder.path + "/pipe"])
            let retinue = try Products.path("retinue")
            let names = { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
            // Waiting for records that never come.
            let pipe = open(folder.path + "/pipe", O_RDWR | O_CLOEXEC)
            defer { close(pipe) }
            let before = try names()
            let reading = try Child(
                [retinue, "group", "shop.py", "--from", "web.ndjson", "pipe", "-o", "out"],
                folder: folder.path)
            let isReading = eventually { readsPipe(reading.pid, folder.path + "/pipe") ? true : nil }
            #expect(isReading == true)
            reading.signal(signal)
            #expect(try reading.wait() == .killed(signal: signal))
            #expect(try names() == before)
            // While the file that is written stands aside: `list` makes it before it reads.
            let writing = try Child(
                [retinue, "list", "10.0.0.1=pipe", "-o", "out.csv"], folder: folder.path)
            let aside = eventually { (try? names().contains { $0.hasSuffix(".part") }) == true ? true : nil }
            #expect(aside == true)
            writing.signal(signal)
            #expect(try writing.wait() == .killed(signal: signal))
            #expect(try names() == before)
        }
    }

    private func readsPipe(_ pid: pid_t, _ path: String) -> Bool {
        let folder = "/proc/\(pid)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + $0)) == path
        }
    }

    @Test func aReaderThatLeavesIsNoError() throws {
        try CommandFolder.with { folder throws in
            let rows = (0..<60_000).map { "10.0.0.3,/a,10.0.0.3,/folder/of/some/length/\($0)\n" }.joined()
            try folder.write(rows, "list.csv")
            let outcome = try folder.shell(
                "retinue group /a --from list.csv --format csv | head -n 1; echo ${PIPESTATUS[0]}")
            #expect(outcome.output == "host,kind,path,workload\n0\n")
        }
    }
}
