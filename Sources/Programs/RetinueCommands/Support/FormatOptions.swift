import ArgumentParser

/// The forms in which a command prints. Every command has one for programs, by the same name.
protocol OutputFormat: CaseIterable, Equatable, ExpressibleByArgument, Sendable {
    static var json: Self { get }
    /// What is printed if nothing is asked for.
    static var standard: Self { get }
}

/// How to print it: `--format`, and `--json`, which is short for the form that every command has.
struct FormatOptions<Format: OutputFormat>: ParsableArguments {
    @Option(help: "How to print it.")
    var format = Format.standard

    @Flag(help: "Short for --format json.")
    var json = false

    /// What was asked for.
    var choice: Format { json ? .json : format }

    func validate() throws {
        guard !json || format == .standard || format == .json else {
            throw ValidationError("give --json or --format, not both")
        }
    }
}
