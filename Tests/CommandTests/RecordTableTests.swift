import MoveGroup
import Records
import Testing

@testable import RetinueCommands

@Suite("The table of records")
struct RecordTableTests {
    @Test func isSortedAndFits() {
        let table = SampleDump.table(RecordFilter(program: NamePattern("nginx")))
        #expect(
            table == """
                PROGRAM          RELATION  HOW  OBJECT                     COUNT  LAST
                /usr/sbin/nginx  file      r    /etc/nginx/nginx.conf          1  02:00:00
                /usr/sbin/nginx  file      r    /etc/ssl/private/host.key      1  02:00:00
                /usr/sbin/nginx  file      rw   /var/log/nginx/access.log      1  02:00:00
                /usr/sbin/nginx  accept    tcp  10.0.0.2:80 from 10.0.0.7      1  02:00:00
                /usr/sbin/nginx  listen    tcp  10.0.0.2:80                    1  02:00:00

                """)
    }

    @Test func addressesAreSortedAsNumbersAndNamesEscaped() {
        let table = SampleDump.table(RecordFilter(program: NamePattern("report.py")), width: 140)
        let objects = table.split(separator: "\n").dropFirst().map(String.init)
        #expect(objects.count == 7)
        #expect(objects[2].contains(#"/tmp/\x1b[2J\nroot\r\x7f\u{9b}31m\u{202e}\u{2028}\\x1b\xff\xc3"#))
        #expect(objects[3].contains("10.0.0.9:543 "))
        #expect(objects[4].contains("10.0.0.9:5432 "))
        #expect(objects[5].contains("[2001:db8::1]:443 "))
        #expect(objects[6].contains("/run/app.sock with /usr/sbin/nginx"))
    }

    @Test func otherDaysAreDates() {
        let table = SampleDump.table(RecordFilter(relations: [.spawn]))
        #expect(table.contains("/usr/bin/dash  spawn          /opt/app/report.py      1  2026-11-20"))
    }

    @Test(arguments: [40, 60, 80, 100, 132])
    func keepsWithin(width: Int) {
        let lines = SampleDump.table(RecordFilter(), width: width).split(separator: "\n")
        #expect(lines.count == 14)
        #expect(lines.allSatisfy { String($0).displayWidth <= max(width, 56) })
    }

    @Test func cutKeepsWhatTellsMost() {
        let table = SampleDump.table(RecordFilter(program: NamePattern("report.py")), width: 64)
        #expect(table.contains("report.py  file      rx"))
        #expect(table.contains("10.0.0.9:5432"))
    }
}

@Suite("Which records are meant")
struct RecordFilterTests {
    @Test(
        arguments: [
            ("nginx", 5), ("/usr/sbin/nginx", 5), ("/usr/sbin/*", 5), ("ngin?", 5), ("sbin/nginx", 0),
            ("report.py", 7), ("/opt/app/report.py", 7), ("python3.11", 7), ("python3*", 7), ("/opt/**", 7),
            ("python", 0), ("**", 13), ("", 0), ("NGINX", 0),
        ])
    func program(pattern: String, count: Int) {
        #expect(positions(RecordFilter(program: NamePattern(pattern))).count == count)
    }

    @Test(
        arguments: [
            ("/etc/ssl/**", 2), ("/etc/ssl/*", 0), ("/etc/ssl/certs/ca.pem", 1), ("/opt/app/report.py", 2),
            ("/usr/bin/python3.11", 1), ("/run/app.sock", 1), ("*", 0), ("**", 8), ("/tmp/*", 1),
        ])
    func path(pattern: String, count: Int) {
        #expect(positions(RecordFilter(path: Glob(pattern))).count == count)
    }

    @Test func conditionsAreJoined() {
        let program = NamePattern("nginx")
        #expect(positions(RecordFilter(program: program, relations: [.file])).count == 3)
        #expect(positions(RecordFilter(program: program, relations: [.file, .listen])).count == 4)
        #expect(
            positions(RecordFilter(program: program, relations: [.file], path: Glob("/etc/**"))).count == 2)
    }

    /// What is written of a selection is what those lines say in the whole.
    @Test func aSelectionSaysTheSame() {
        let ledger = SampleDump.ledger()
        let whole = lines(ledger)
        #expect(lines(ledger.selection(Array(ledger.records.indices))) == whole)
        for filter in [RecordFilter(relations: [.connect]), RecordFilter(path: Glob("/etc/**"))] {
            let positions = filter.positions(in: ledger)
            let expected = positions.map { whole[$0 + 1] } + [whole[whole.count - 1]]
            // The header promises as many lines as there are.
            #expect(Array(lines(ledger.selection(positions)).dropFirst()) == expected)
        }
    }

    private func positions(_ filter: RecordFilter) -> [Int] { filter.positions(in: SampleDump.ledger()) }

    private func lines(_ ledger: borrowing Ledger) -> [[UInt8]] {
        var bytes: [UInt8] = []
        ledger.writeNDJSON(header: SampleDump.header) { bytes.append(contentsOf: $0) }
        return bytes.split(separator: UInt8(ascii: "\n")).map(Array.init)
    }
}
