import ArgumentParser
import Glibc
import Records
import SystemCalls

extension TopOrder: ExpressibleByArgument {}

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the programs with what they open and connect to, live.",
        usage: "retinue top [--sort <column>] [--filter <text>] [--once] [<options>]",
        discussion: """
            A table of the programs, drawn anew as their records change, over the whole terminal: sort by a letter (h \
            lists the keys), filter with /, open a program with Enter and see what it depends on as it comes. \
            OPENS and CONNS count observations of files and connections, RECORDS dependencies; NEW are those that came \
            within --window, LOST those of which something was lost (bytes not all counted, paths not kept one by one). \
            Names are shown with everything escaped that could steer a terminal.

            Examples:
              retinue top
              retinue top --sort connections --filter nginx
              retinue top --once | head -20          the table once, uncut

            Exit status: 0 success; 1 an error; 3 the daemon cannot be reached at the start.
            """)

    @Option(help: "Sort by this column: names rise, numbers fall.")
    var sort = TopOrder.new

    @Option(
        help: ArgumentHelp(
            "Only programs that have this in their path or workload, in upper or lower case.",
            valueName: "text"))
    var filter = ""

    @Option(help: ArgumentHelp("Ask the daemon this often.", valueName: "seconds"))
    var interval = 2.0

    @Option(help: ArgumentHelp("A dependency is new for this long.", valueName: "seconds"))
    var window = 300.0

    @Flag(help: "Print the table once, and end; needs no terminal.")
    var once = false

    @OptionGroup var follow: FollowOptions

    @OptionGroup var colour: ColourOptions

    func validate() throws {
        _ = try follow.pace(interval)
        guard window >= 1, window <= 86_400 * 365 else {
            throw ValidationError("--window is a number of seconds from 1 to 31536000")
        }
    }

    func run() throws {
        var model = TopModel(window: UInt64(window * 1e9))
        var view = TopView(order: sort, filter: filter, interval: interval)
        guard !once else {
            var follower = ChangeFollower(follow.daemon, from: .after(0))
            try model.take(follower.poll(looks: true))
            let table = Self.table(view.shown(model))
            return try Output.standard.write(table.text(width: Output.standard.width()))
        }
        guard isatty(0) == 1, isatty(1) == 1, getenv("TERM").map({ String(cString: $0) }) ?? "dumb" != "dumb"
        else {
            throw Failure(
                "retinue top needs a terminal that can place its cursor; --once prints the table, and retinue watch "
                    + "what changes")
        }
        try live(&model, &view)
    }

    /// All that a table without a terminal has.
    static func table(_ rows: [TopModel.Row]) -> TextTable {
        var table = TextTable(
            [.init(title: "PROGRAM", cut: .start), .init(title: "WORKLOAD", cut: .start)]
                + TopView.columns.map { .init(title: $0.title, isNumber: true) })
        for row in rows {
            table.add(
                [row.name, row.workload.isEmpty ? "-" : row.workload]
                    + [row.opens, row.connections].map { String($0) }
                    + [row.records, row.new, row.lost].map { String($0) })
        }
        return table
    }

    private func live(_ model: inout TopModel, _ view: inout TopView) throws {
        var pace = try follow.pace(interval)
        let signals = try SignalDescriptor(HeldSignals.ending + [SIGWINCH, SIGTSTP, SIGCONT])
        let thread = try FollowingThread(follow.daemon, from: .after(0))
        // What cannot be asked at all is said where it can be read.
        thread.ask(looks: pace.begin(now: Clock.monotonic()))
        var isAsking = true
        let screen = try TerminalScreen(isPainted: colour.palette().isOn)
        defer { screen.giveBack() }
        while true {
            let size = TerminalScreen.size
            model.age(to: Clock.wall())
            try screen.show(view.lines(model, width: size.width, height: size.height, now: Clock.wall()))
            let now = Clock.monotonic()
            if !isAsking, pace.left(now: now) == 0 {
                thread.ask(looks: pace.begin(now: now))
                isAsking = true
            }
            let ready = Readiness.wait(
                reading: [0, signals.number, thread.number],
                milliseconds: isAsking ? 1000 : min(pace.left(now: now), 1000))
            while let signal = try signals.next() { try obey(signal, screen) }
            if ready.contains(0) {
                guard let keys = screen.keys() else { return }
                for key in keys where !view.press(key, model) { return }
            }
            for answer in thread.take() {
                try model.take(answer)
                isAsking = false
                pace.end(now: Clock.monotonic())
            }
        }
    }

    private func obey(_ signal: Int32, _ screen: TerminalScreen) throws {
        switch signal {
        case SIGWINCH: screen.invalidate()
        case SIGTSTP:
            screen.giveBack()
            raise(SIGSTOP)
        case SIGCONT:
            // Whoever stopped it has used the screen since.
            screen.giveBack()
            try screen.take()
        default:
            screen.giveBack()
            HeldSignals.Interrupted(signal: signal).die()
        }
    }
}
