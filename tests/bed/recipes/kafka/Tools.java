import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's own tools in one process that stays, for a start of Java costs each of them a second of CPU time. One after the other.
 *
 * <p>A request is a count and as many texts: the name of a script in {@code /opt/kafka/bin}, and its arguments. The answer is the length of
 * what the tool wrote, and that.
 */
public final class Tools {
    private static final String STARTER = "/kafka-run-class.sh\" ";
    private static final int MOST_ARGUMENTS = 64;

    private static final class Ended extends RuntimeException {
        Ended(int status) {
            super("exit " + status, null, false, false);
        }
    }

    /**
     * Where everything goes that is written meanwhile, by whatever has kept the stream. What is written after the end is not the tool's: that
     * it cannot end by an exception is what some of them then complain of.
     */
    private static final class Written extends OutputStream {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private boolean ended;

        @Override
        public synchronized void write(int one) {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public synchronized void write(byte[] some, int from, int count) {
            if (!ended) {
                bytes.write(some, from, count);
            }
        }

        synchronized void end() {
            ended = true;
        }

        synchronized byte[] take() {
            byte[] all = bytes.toByteArray();
            bytes.reset();
            ended = false;
            return all;
        }
    }

    public static void main(String[] arguments) throws IOException {
        Written written = new Written();
        PrintStream stream = new PrintStream(written, true, StandardCharsets.UTF_8);
        System.setOut(stream);
        System.setErr(stream);
        Exit.setExitProcedure((status, message) -> {
            stream.flush();
            written.end();
            throw new Ended(status);
        });
        try (ServerSocket port = new ServerSocket(Integer.parseInt(arguments[0]))) {
            while (true) {
                try (Socket asker = port.accept()) {
                    asker.setSoTimeout(10_000);
                    String[] words = request(new DataInputStream(asker.getInputStream()));
                    written.take();
                    run(words, stream);
                    byte[] answer = written.take();
                    DataOutputStream out = new DataOutputStream(asker.getOutputStream());
                    out.writeInt(answer.length);
                    out.write(answer);
                    out.flush();
                } catch (IOException gone) {
                    // Who asked asks again.
                }
            }
        }
    }

    private static String[] request(DataInputStream in) throws IOException {
        int count = in.readInt();
        if (count < 1 || count > MOST_ARGUMENTS) {
            throw new IOException(count + " words");
        }
        String[] words = new String[count];
        for (int i = 0; i < count; i++) {
            words[i] = in.readUTF();
        }
        return words;
    }

    private static void run(String[] words, PrintStream stream) {
        String[] arguments = new String[words.length - 1];
        System.arraycopy(words, 1, arguments, 0, arguments.length);
        try {
            Class<?> tool = Class.forName(started(words[0]));
            tool.getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException of) {
            if (!(of.getCause() instanceof Ended)) {
                of.getCause().printStackTrace(stream);
            }
        } catch (IOException | ReflectiveOperationException wrong) {
            wrong.printStackTrace(stream);
        }
        stream.flush();
    }

    /** The class that a script starts. */
    private static String started(String script) throws IOException {
        String text = Files.readString(Path.of("/opt/kafka/bin", script));
        int begin = text.indexOf(STARTER) + STARTER.length();
        return text.substring(begin, text.indexOf(' ', begin));
    }
}
