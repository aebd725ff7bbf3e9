"""The statements and the manifest of StackQL's page for vector_store_file_batches, as they stand there.

https://openai.stackql.io/providers/openai/vector_stores/vector_store_file_batches
"""

from __future__ import annotations

SELECT = """SELECT
id,
created_at,
file_counts,
object,
status,
vector_store_id
FROM openai.vector_stores.vector_store_file_batches
WHERE batch_id = '{{ batch_id }}'
AND vector_store_id = '{{ vector_store_id }}';
"""
INSERT = """/*+ create */
INSERT INTO openai.vector_stores.vector_store_file_batches (
data__file_ids,
data__chunking_strategy,
vector_store_id
)
SELECT
'{{ file_ids }}',
'{{ chunking_strategy }}',
'{{ vector_store_id }}'
;
"""
INSERT_REQUIRED = """/*+ create */
INSERT INTO openai.vector_stores.vector_store_file_batches (
data__file_ids,
vector_store_id
)
SELECT
'{{ file_ids }}',
'{{ vector_store_id }}'
;
"""
EXEC = """EXEC openai.vector_stores.vector_store_file_batches.cancel_vector_store_file_batch
@batch_id='{{ batch_id }}',
@vector_store_id='{{ vector_store_id }}';
"""
TYPES = """- name: vector_store_file_batches
  props:
    - name: vector_store_id
      value: string
    - name: data__file_ids
      value: string
    - name: file_ids
      value: array
    - name: chunking_strategy
      props:
        - name: type
          value: string
"""
MANIFEST = """- name: vector_store_file_batches
  props:
    - name: vector_store_id
      value: vs_demo
    - name: data__file_ids
      value: string
    - name: file_ids
      value:
        - file-new-01
        - file-new-02
    - name: chunking_strategy
      props:
        - name: type
          value: auto
"""
# The newer pages, with their comments that hide a comma.
CANCEL = """EXEC openai.vector_stores.file_batches.cancel
@vector_store_id='{{ vector_store_id }}' --required,
@batch_id='{{ batch_id }}' --required
;
"""
SEARCH = """EXEC openai.vector_stores.vector_stores.search
@vector_store_id='{{ vector_store_id }}' --required,
@@json=
'{
"query": "{{ query }}",
"rewrite_query": {{ rewrite_query }},
"max_num_results": {{ max_num_results }},
"filters": "{{ filters }}"
}'
;
"""
