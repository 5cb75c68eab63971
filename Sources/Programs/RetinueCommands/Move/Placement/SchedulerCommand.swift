import ArgumentParser
import Placement
import Records

struct SchedulerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler",
        abstract: "Answer where programs had best run: a scheduler that comes with Retinue.",
        discussion: """
            Reads a question (retinue-placement-question/1) on standard input and writes the answer \
            (retinue-placement-answer/1) on standard output, as any program does that a placement policy names: \
            docs/placement.md.

            balance   lets no program wait for a processor while another host has one to spare
            together  brings programs together that send each other much
            """)

    @Argument(help: "balance or together.")
    var name: Scheduler

    func run() throws {
        var bytes: [UInt8] = []
        try InputFile(path: "-").forEachPiece { bytes += $0 }
        let question: PlacementQuestion
        do {
            question = try PlacementQuestion(JSONValue(parsing: bytes))
        } catch {
            throw Failure("standard input: \(error)", status: ExitStatus.badInput)
        }
        try MoveAnswers.write(json: name.answer(to: question).value)
    }
}

extension Scheduler: ExpressibleByArgument {}
