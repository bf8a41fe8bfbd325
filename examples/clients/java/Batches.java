// OpenAI's Java client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY, then, in this folder:
//   mvn -q dependency:copy-dependencies && java -cp 'target/dependency/*' Batches.java FILE
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.HttpResponse;
import com.openai.models.batches.Batch;
import com.openai.models.batches.BatchCreateParams;
import com.openai.models.batches.BatchListParams;
import com.openai.models.files.FileCreateParams;
import com.openai.models.files.FileObject;
import com.openai.models.files.FilePurpose;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

public class Batches {
  public static void main(String[] args) throws Exception {
    OpenAIClient client = OpenAIOkHttpClient.fromEnv();

    FileObject file =
        client.files().create(FileCreateParams.builder().file(Path.of(args[0])).purpose(FilePurpose.BATCH).build());
    System.out.println("file " + file.id());

    BatchCreateParams request =
        BatchCreateParams.builder()
            .inputFileId(file.id())
            .endpoint(BatchCreateParams.Endpoint.V1_CHAT_COMPLETIONS)
            .completionWindow(BatchCreateParams.CompletionWindow._24H)
            .build();
    Batch batch = client.batches().create(request);
    System.out.println("batch " + batch.id());

    Batch second = client.batches().cancel(client.batches().create(request).id());
    System.out.println("cancel " + second.id() + " " + second.status());

    Set<String> running = Set.of("validating", "in_progress", "finalizing");
    while (running.contains(batch.status().toString())) {
      Thread.sleep(500);
      batch = client.batches().retrieve(batch.id());
    }
    System.out.println("status " + batch.status());

    int listed = 0;
    for (Batch any : client.batches().list(BatchListParams.builder().limit(2).build()).autoPager()) listed++;
    System.out.println("listed " + listed);

    for (String id : Stream.of(batch.outputFileId(), batch.errorFileId()).flatMap(Optional::stream).toList())
      try (HttpResponse content = client.files().content(id)) {
        content.body().transferTo(System.out);
      }
    client.close();
  }
}
